using System.Text.RegularExpressions;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>The managed engine on ARM64, whose vectors have 128 bits: its kernels, backward passes and training under an emulator.</summary>
[TestClass]
[TestCategory("Slow")]
public sealed class Arm64Tests
{
    private const string Emulator = "qemu-aarch64";

    [TestMethod]
    public void Engine_UnderAnEmulator_PassesItsTests()
    {
        if (!OperatingSystem.IsLinux() || !Published.Found(Emulator) || !File.Exists("/lib/ld-linux-aarch64.so.1"))
        {
            Assert.Inconclusive("Skipped: there is no emulator: dpkg --add-architecture arm64, apt update, "
                + "apt install qemu-user libssl3:arm64 libstdc++6:arm64.");
        }
        var program = Published.Make("Microsoft.ML.Nlft.Arm64", "nlft-arm64", "arm64", "linux-arm64",
            $"-p:NlftBuilt={AppContext.BaseDirectory.TrimEnd('/')}");

        // Memory that is written and executed at different addresses costs an emulator much.
        var (exit, output) = Published.Run(Emulator, [program.Executable], ("DOTNET_EnableWriteXorExecute", "0"));

        Assert.AreEqual(0, exit, output);
        StringAssert.StartsWith(output, "Arm64, AdvSimd yes");
        Assert.MatchesRegex(new Regex(@"(?m)^\d\d passed, 0 failed$"), output);
    }
}
