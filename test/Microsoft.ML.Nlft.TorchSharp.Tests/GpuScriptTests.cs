using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>The program behind eng/gpu/run.sh, on the CPU with its smallest shape.</summary>
[TestClass]
public class GpuScriptTests
{
    [TestMethod]
    [TestCategory("Slow")]
    public void Program_TinyShapeOnTheCpu_PrintsARowForEveryMode()
    {
        string[] modes = ["managed", "plain", "recompute", "int8", "int4", "sft"];
        var folder = Directory.CreateTempSubdirectory("nlft-gpu-");
        try
        {
            var program = Path.Combine(AppContext.BaseDirectory, "Microsoft.ML.Nlft.Gpu");
            string[] arguments =
            [
                "--shape", "tiny", "--device", "cpu", "--rows", "2", "--prompt", "9", "--extra", "4", "--response", "6", "--steps", "2",
                "--threads", "1", "--folder", folder.FullName, "--modes", string.Join(',', modes),
            ];
            var start = new ProcessStartInfo(OperatingSystem.IsWindows() ? program + ".exe" : program, arguments)
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            };
            using var process = Process.Start(start)!;
            var errors = process.StandardError.ReadToEndAsync();
            var output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            Assert.AreEqual(0, process.ExitCode, output + errors.Result);
            StringAssert.StartsWith(output, "tiny on cpu: 2 rows of 9+6 tokens, judge and standard +4; 106 tokens and ");
            const string Phase = @"\d\.\d{4}/ *\d\.\d{4}";
            foreach (var mode in modes)
            {
                StringAssert.Matches(output, new Regex($@"(?m)^{mode} +\d+\.\d{{4}} +\d+ +\d+\.\d{{3}} .*\d\.\d\d$"));
                StringAssert.Matches(output, new Regex($@"(?m)^{mode} +({Phase})? +{Phase} +{Phase} +{Phase}$"));
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
