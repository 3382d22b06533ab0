namespace Microsoft.ML.Nlft.Tests.Reliability;

/// <summary>Runs code on a thread whose stack is so small that unlimited recursion ends the process at once.</summary>
internal static class SmallStack
{
    private const int Bytes = 256 << 10;

    /// <summary>Runs the code to its end; returns its refusal, or null when it had none.</summary>
    /// <exception cref="AssertFailedException">It threw something else.</exception>
    public static NlftException? Run(Action code)
    {
        Exception? fault = null;
        var thread = new Thread(() =>
        {
            try
            {
                code();
            }
            catch (Exception exception)
            {
                fault = exception;
            }
        }, Bytes);
        thread.Start();
        thread.Join();
        Assert.IsTrue(fault is null or NlftException, fault?.ToString());
        return fault as NlftException;
    }
}
