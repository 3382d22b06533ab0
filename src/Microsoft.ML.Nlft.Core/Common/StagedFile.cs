namespace Microsoft.ML.Nlft.Common;

/// <summary>A file that is written under a temporary name beside its place and then renamed.</summary>
/// <param name="place">Where the file is to be.</param>
internal sealed class StagedFile(string place)
{
    private readonly string _temporary =
        Path.Combine(Path.GetDirectoryName(Path.GetFullPath(place))!, $".{Path.GetFileName(place)}.{Path.GetRandomFileName()}");

    private bool _isFirst, _isExchanged;

    /// <summary>Where the file is to be.</summary>
    public string Place => place;

    /// <summary>The folder of the file.</summary>
    public string Folder => Path.GetDirectoryName(_temporary)!;

    /// <summary>Writes the file under its temporary name, through to the disk; creates its folder.</summary>
    public void Write(Action<Stream> write)
    {
        PosixFile.CreateFolder(Folder);
        using var stream = OutputFile.Create(_temporary, likeThat: place);
        write(stream);
        stream.Flush(flushToDisk: true);
    }

    /// <summary>Renames the file.</summary>
    /// <param name="keepsOld">Whether a file in its place is to get the temporary name, where the file system can exchange two names.</param>
    public void Publish(bool keepsOld)
    {
        var isFirst = !File.Exists(place);
        _isExchanged = keepsOld && !isFirst && PosixFile.Exchange(_temporary, place);
        if (!_isExchanged) File.Move(_temporary, place, overwrite: true);
        _isFirst = isFirst;
    }

    /// <summary>Undoes all that was done, as far as that is possible.</summary>
    public void Withdraw()
    {
        if (_isExchanged && !PosixFile.Exchange(_temporary, place)) return; // the old file keeps the temporary name
        WriteFault.Ignore(() => File.Delete(_isFirst ? place : _temporary));
    }

    /// <summary>Deletes the file that had the place before.</summary>
    /// <exception cref="IOException">It cannot be deleted.</exception>
    public void DeleteOld()
    {
        if (_isExchanged) File.Delete(_temporary);
    }
}
