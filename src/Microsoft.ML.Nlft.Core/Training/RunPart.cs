using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Training;

/// <summary>Says which part of a longer run a training run is.</summary>
/// <param name="StepsBefore">Optimizer steps of the parts before it.</param>
/// <param name="StepsInAll">Optimizer steps of all parts, which the learning rate's schedule spans.</param>
/// <param name="Teacher">
/// The weights that score the contexts which an objective reads once, before the first step; null: those that the run starts with.
/// </param>
internal sealed record RunPart(int StepsBefore, int StepsInAll, IReadOnlyList<NamedTensor>? Teacher);
