using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.OnPolicy;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Common;

[TestClass]
public sealed class OptionValuesTests
{
    [TestMethod]
    [DataRow(typeof(FineTuneOptions))]
    [DataRow(typeof(ValidationOptions))]
    [DataRow(typeof(LoraConfiguration))]
    [DataRow(typeof(PromptOptions))]
    [DataRow(typeof(OnPolicyOptions))]
    [DataRow(typeof(ReinforcedOptions))]
    public void Of_OptionsInOptions_AreListedByPath(Type options)
    {
        var nested = options.GetProperties().Where(property => property.PropertyType is { IsClass: true } type
            && type.Assembly == options.Assembly && !property.IsDefined(typeof(ChangesNoResultAttribute), inherit: false));
        foreach (var property in nested)
            Assert.IsTrue(property.PropertyType.IsAssignableTo(typeof(INestedOptions)), $"{property.Name} would be listed as one text");
    }

    [TestMethod]
    public void Of_Options_AreInTheOrderOfDeclaration()
    {
        var values = OptionValues.Of(new OnPolicyOptions(), text => text).Select(option => option.Name).ToList();
        Assert.AreEqual("Rounds", values[0]);
        CollectionAssert.Contains(values, "Training.Optimizer.WeightDecay");
        CollectionAssert.Contains(values, "Generation.Temperature");
        CollectionAssert.DoesNotContain(values, "Folder", "no result depends on it");
        Assert.IsLessThan(values.IndexOf("Training.Epochs"), values.IndexOf("Generation.MaximumNewTokens"));
    }
}
