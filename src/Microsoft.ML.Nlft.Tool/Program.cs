using System.Runtime.InteropServices;
using System.Text;
using Microsoft.ML.Nlft;
using Microsoft.ML.Nlft.Tool;

// The first Ctrl+C asks the command to stop and keep what it can; the second one ends the process.
Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
using var cancellation = new CancellationTokenSource();
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
try
{
    return await new NlftTool(ToolConsole.OfProcess()).RunAsync(args, cancellation.Token);
}
catch (NlftException e) // before the tool could start: MPI
{
    Console.Error.WriteLine($"nlft: {e.Message}");
    return ExitCode.BadInput;
}

void Stop(PosixSignalContext signal)
{
    if (cancellation.IsCancellationRequested) return;
    signal.Cancel = true;
    cancellation.Cancel();
}

// Declared, so that ASP.NET Core does not make it public.
internal sealed partial class Program;
