namespace Microsoft.ML.Nlft.TestKit;

/// <summary>Runs a scenario on a rank.</summary>
public static class Scenario
{
    /// <summary>Runs the scenario and returns the exit code: 0, 2 when the library refused, 1 on another exception.</summary>
    public static int Run(Action scenario)
    {
        try
        {
            scenario();
            return 0;
        }
        catch (NlftException e)
        {
            Console.Error.WriteLine($"refused: {e.Message}");
            return 2;
        }
        catch (Exception e)
        {
            Console.Error.WriteLine($"failed: {e}");
            return 1;
        }
    }
}
