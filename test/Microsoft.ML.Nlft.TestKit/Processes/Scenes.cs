namespace Microsoft.ML.Nlft.TestKit;

/// <summary>How a rank of the tests ends.</summary>
public static class Scenes
{
    /// <summary>Does something and gives the process's exit code: 0, 2 when the library refused, 1 when anything else was wrong.</summary>
    public static int Play(Action scene)
    {
        try
        {
            scene();
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
