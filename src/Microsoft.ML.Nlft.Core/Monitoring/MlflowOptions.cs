namespace Microsoft.ML.Nlft.Monitoring;

/// <summary>The options of a <see cref="MlflowMonitor"/>.</summary>
public sealed record MlflowOptions
{
    /// <summary>The experiment that runs belong to; created when missing. Default "Default", MLflow's own.</summary>
    public string Experiment { get; init; } = "Default";

    /// <summary>The name of the run. Default null: the server chooses one.</summary>
    public string? RunName { get; init; }

    /// <summary>The token that is sent when there is no user name. Default: the variable MLFLOW_TRACKING_TOKEN; null: none.</summary>
    public string? Token { get; init; } = Environment.GetEnvironmentVariable("MLFLOW_TRACKING_TOKEN");

    /// <summary>The user name, sent with the password. Default: the variable MLFLOW_TRACKING_USERNAME; null: none.</summary>
    public string? UserName { get; init; } = Environment.GetEnvironmentVariable("MLFLOW_TRACKING_USERNAME");

    /// <summary>The password. Default: the variable MLFLOW_TRACKING_PASSWORD; null: none.</summary>
    public string? Password { get; init; } = Environment.GetEnvironmentVariable("MLFLOW_TRACKING_PASSWORD");

    /// <summary>How long the end of a run waits for what is still to be sent. Default 30 seconds.</summary>
    public TimeSpan EndTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Receives one message, from any thread, when a run can no longer be recorded; training continues. Default null: the standard error output.
    /// </summary>
    public Action<string>? Warn { get; init; }

    /// <summary>The clock of runs, metrics and pauses. Default: the system clock.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>Formats the options without the secrets.</summary>
    public override string ToString() => $"MlflowOptions {{ Experiment = {Experiment}, RunName = {RunName} }}";
}
