using System.Runtime.InteropServices;
using System.Text;

namespace Microsoft.ML.Nlft.Distributed;

/// <summary>
/// Binds the functions of an installed MPI library. Handles are addresses of exported objects in Open MPI and numbers in MPICH; both are passed as
/// pointer-sized integers, of which MPICH reads the lower 32 bits.
/// </summary>
/// <remarks>Sources: the MPI standard 3.1; mpi.h of Open MPI 4.1, MPICH 4.0 and Microsoft MPI 10.1.</remarks>
internal sealed unsafe class MpiLibrary
{
    private const int MinimumVersion = 3; // the first with non-blocking collectives
    private const int ThreadSerialized = 2;
    private const int Success = 0;
    private const int StatusInts = 16; // larger than MPI_Status of any family

    private static readonly string[] s_mpichNames = ["MPICH", "Intel(R) MPI", "MVAPICH", "Microsoft MPI", "ParaStation"];

    private readonly nint _handle;
    private readonly delegate* unmanaged<int*, byte***, int, int*, int> _initThread;
    private readonly delegate* unmanaged<int*, int> _initialized, _finalized;
    private readonly delegate* unmanaged<int> _finalize;
    private readonly delegate* unmanaged<nint, nint, int> _setErrorHandler;
    private readonly delegate* unmanaged<nint, nint*, int> _duplicate;
    private readonly delegate* unmanaged<nint, int*, int> _rank, _size;
    private readonly delegate* unmanaged<nint, int, int> _abort;
    private readonly delegate* unmanaged<int, byte*, int*, int> _errorString;
    private readonly delegate* unmanaged<nint, void*, int, nint, nint, nint, nint*, int> _iallreduce;
    private readonly delegate* unmanaged<void*, int, nint, int, nint, nint*, int> _ibcast;
    private readonly delegate* unmanaged<nint, nint*, int> _ibarrier;
    private readonly delegate* unmanaged<void*, int, nint, int, int, nint, nint*, int> _isend, _irecv;
    private readonly delegate* unmanaged<int, int, nint, int*, int*, int> _iprobe;
    private readonly delegate* unmanaged<int*, nint, int*, int> _getCount;
    private readonly delegate* unmanaged<nint*, int*, int*, int> _test;
    private readonly nint _inPlace, _byte, _float, _double, _sum, _errorsReturn;
    private readonly int _anySource, _sourceField;

    /// <summary>Binds a loaded library.</summary>
    /// <param name="name">The name or path that it was loaded by.</param>
    /// <param name="handle">The loaded library.</param>
    /// <exception cref="NlftException">It is not an MPI library, is of an unknown family, or is too old.</exception>
    public MpiLibrary(string name, nint handle)
    {
        (Name, _handle) = (name, handle);
        Version = VersionOf(handle) ?? throw new NlftException($"MPI library {name}", "no function MPI_Get_library_version",
            $"MPI {MinimumVersion}.0 or newer",
            $"It is older than 2012 or no MPI library: install a newer one, or name another in {MpiFinder.Variable}.");
        Family = FamilyOf(handle) ?? throw new NlftException($"MPI library {name}", $"\"{Version}\"",
            $"Open MPI, or a library with the binary interface of {string.Join(", ", s_mpichNames)}",
            $"Install one of these, or name it in {MpiFinder.Variable}.");
        int version, subversion;
        Check(((delegate* unmanaged<int*, int*, int>)Function("MPI_Get_version"))(&version, &subversion), "MPI_Get_version");
        if (version < MinimumVersion)
        {
            throw new NlftException($"MPI library {name}", $"MPI {version}.{subversion} ({Version})", $"MPI {MinimumVersion}.0 or newer",
                $"{MpiFinder.Remedy(Family)}");
        }

        if (Family == MpiFamily.OpenMpi && !OperatingSystem.IsWindows()) LoadGlobally(name);
        _initThread = (delegate* unmanaged<int*, byte***, int, int*, int>)Function("MPI_Init_thread");
        _initialized = (delegate* unmanaged<int*, int>)Function("MPI_Initialized");
        _finalized = (delegate* unmanaged<int*, int>)Function("MPI_Finalized");
        _finalize = (delegate* unmanaged<int>)Function("MPI_Finalize");
        _setErrorHandler = (delegate* unmanaged<nint, nint, int>)Function("MPI_Comm_set_errhandler");
        _duplicate = (delegate* unmanaged<nint, nint*, int>)Function("MPI_Comm_dup");
        _rank = (delegate* unmanaged<nint, int*, int>)Function("MPI_Comm_rank");
        _size = (delegate* unmanaged<nint, int*, int>)Function("MPI_Comm_size");
        _abort = (delegate* unmanaged<nint, int, int>)Function("MPI_Abort");
        _errorString = (delegate* unmanaged<int, byte*, int*, int>)Function("MPI_Error_string");
        _iallreduce = (delegate* unmanaged<nint, void*, int, nint, nint, nint, nint*, int>)Function("MPI_Iallreduce");
        _ibcast = (delegate* unmanaged<void*, int, nint, int, nint, nint*, int>)Function("MPI_Ibcast");
        _ibarrier = (delegate* unmanaged<nint, nint*, int>)Function("MPI_Ibarrier");
        _isend = (delegate* unmanaged<void*, int, nint, int, int, nint, nint*, int>)Function("MPI_Isend");
        _irecv = (delegate* unmanaged<void*, int, nint, int, int, nint, nint*, int>)Function("MPI_Irecv");
        _iprobe = (delegate* unmanaged<int, int, nint, int*, int*, int>)Function("MPI_Iprobe");
        _getCount = (delegate* unmanaged<int*, nint, int*, int>)Function("MPI_Get_count");
        _test = (delegate* unmanaged<nint*, int*, int*, int>)Function("MPI_Test");
        if (Family == MpiFamily.OpenMpi)
        {
            World = Function("ompi_mpi_comm_world");
            (_byte, _float, _double) = (Function("ompi_mpi_byte"), Function("ompi_mpi_float"), Function("ompi_mpi_double"));
            (_sum, _errorsReturn) = (Function("ompi_mpi_op_sum"), Function("ompi_mpi_errors_return"));
            (_inPlace, _anySource, _sourceField) = (1, -1, 0);
        }
        else
        {
            World = 0x44000000;
            (_byte, _float, _double) = (0x4c00010d, 0x4c00040a, 0x4c00080b);
            (_sum, _errorsReturn) = (0x58000003, 0x54000001);
            (_inPlace, _anySource, _sourceField) = (-1, -2, 2);
        }
    }

    /// <summary>The name or path that the library was loaded by.</summary>
    public string Name { get; }

    /// <summary>The first line of the library's version text.</summary>
    public string Version { get; }

    /// <summary>The binary interface.</summary>
    public MpiFamily Family { get; }

    /// <summary>The communicator of all processes.</summary>
    public nint World { get; }

    /// <summary>Whether MPI is initialized, by this library or by another part of the program.</summary>
    public bool IsInitialized => Flag(_initialized, "MPI_Initialized");

    /// <summary>Whether MPI has been finalized; a process cannot start it again.</summary>
    public bool IsFinalized => Flag(_finalized, "MPI_Finalized");

    /// <summary>Returns the family of a loaded library; null when it is unknown.</summary>
    public static MpiFamily? FamilyOf(nint library) =>
        NativeLibrary.TryGetExport(library, "ompi_mpi_comm_world", out _) ? MpiFamily.OpenMpi
        : VersionOf(library) is { } version && s_mpichNames.Any(name => version.Contains(name, StringComparison.OrdinalIgnoreCase)) ? MpiFamily.Mpich
        : null;

    /// <summary>Initializes MPI for threads that call one at a time (MPI_THREAD_SERIALIZED).</summary>
    /// <exception cref="NlftException">The library was built without thread support.</exception>
    public void Initialize()
    {
        int provided;
        Check(_initThread(null, null, ThreadSerialized, &provided), "MPI_Init_thread");
        if (provided < ThreadSerialized)
        {
            throw new NlftException($"MPI library {Name}", $"support for single-threaded programs only ({Version})", "MPI_THREAD_SERIALIZED",
                "Use a build with thread support.");
        }
    }

    /// <summary>Finalizes MPI; waits until the other processes do the same.</summary>
    public void Finish() => Check(_finalize(), "MPI_Finalize");

    /// <summary>Duplicates a communicator: same processes, separate messages, and errors are returned instead of ending the job.</summary>
    public nint Duplicate(nint communicator)
    {
        nint copy = 0;
        Check(_duplicate(communicator, &copy), "MPI_Comm_dup");
        Check(_setErrorHandler(copy, _errorsReturn), "MPI_Comm_set_errhandler");
        return copy;
    }

    /// <summary>Returns the rank of this process.</summary>
    public int Rank(nint communicator)
    {
        int rank;
        Check(_rank(communicator, &rank), "MPI_Comm_rank");
        return rank;
    }

    /// <summary>Returns the number of processes.</summary>
    public int Size(nint communicator)
    {
        int size;
        Check(_size(communicator, &size), "MPI_Comm_size");
        return size;
    }

    /// <summary>Aborts all processes.</summary>
    public void Abort(nint communicator, int exitCode) => _abort(communicator, exitCode);

    /// <summary>Starts a non-blocking all-reduce sum in place.</summary>
    public nint BeginSum<T>(T* values, int count, nint communicator)
        where T : unmanaged
    {
        nint request = 0;
        Check(_iallreduce(_inPlace, values, count, typeof(T) == typeof(float) ? _float : _double, _sum, communicator, &request), "MPI_Iallreduce");
        return request;
    }

    /// <summary>Starts a non-blocking broadcast.</summary>
    public nint BeginBroadcast(byte* bytes, int count, int root, nint communicator)
    {
        nint request = 0;
        Check(_ibcast(bytes, count, _byte, root, communicator, &request), "MPI_Ibcast");
        return request;
    }

    /// <summary>Starts a non-blocking barrier.</summary>
    public nint BeginBarrier(nint communicator)
    {
        nint request = 0;
        Check(_ibarrier(communicator, &request), "MPI_Ibarrier");
        return request;
    }

    /// <summary>Starts a non-blocking send; the bytes must stay in place until the request is done.</summary>
    public nint BeginSend(byte* bytes, int count, int to, int tag, nint communicator)
    {
        nint request = 0;
        Check(_isend(bytes, count, _byte, to, tag, communicator, &request), "MPI_Isend");
        return request;
    }

    /// <summary>Starts a non-blocking receive.</summary>
    public nint BeginReceive(byte* bytes, int count, int from, int tag, nint communicator)
    {
        nint request = 0;
        Check(_irecv(bytes, count, _byte, from, tag, communicator, &request), "MPI_Irecv");
        return request;
    }

    /// <summary>Checks for a message without receiving it; returns its sender and length, or null.</summary>
    /// <param name="from">The sender, or null for any.</param>
    /// <param name="tag">Its tag.</param>
    /// <param name="communicator">The communicator that it was sent on.</param>
    public (int From, int Length)? Probe(int? from, int tag, nint communicator)
    {
        int flag, length;
        var status = stackalloc int[StatusInts];
        Check(_iprobe(from ?? _anySource, tag, communicator, &flag, status), "MPI_Iprobe");
        if (flag == 0) return null;
        Check(_getCount(status, _byte, &length), "MPI_Get_count");
        return (status[_sourceField], length);
    }

    /// <summary>Advances all pending operations and returns whether a request is complete, which frees it.</summary>
    public bool IsDone(ref nint request)
    {
        int flag;
        var status = stackalloc int[StatusInts];
        fixed (nint* place = &request) Check(_test(place, &flag, status), "MPI_Test");
        return flag != 0;
    }

    private void Check(int code, string function)
    {
        if (code == Success) return;
        throw new NlftException($"{function} of {Version}", Describe(code), "success",
            "Another process has probably ended: look at the first error in the output of the job.");
    }

    private string Describe(int code)
    {
        const int longest = 8192;
        if (_errorString == null) return $"error {code}";
        var text = stackalloc byte[longest];
        int length;
        return _errorString(code, text, &length) == Success ? Encoding.UTF8.GetString(text, length).ReplaceLineEndings(" ").Trim() : $"error {code}";
    }

    private nint Function(string name) => NativeLibrary.TryGetExport(_handle, name, out var address) ? address
        : throw new NlftException($"MPI library {Name}", $"no {name} ({Version})", $"MPI {MinimumVersion}.0 or newer", MpiFinder.Remedy(Family));

    private bool Flag(delegate* unmanaged<int*, int> function, string name)
    {
        int flag;
        Check(function(&flag), name);
        return flag != 0;
    }

    /// <summary>Returns the first line of the library's version text; may be called before MPI starts.</summary>
    private static string? VersionOf(nint library)
    {
        const int longest = 8192;
        if (!NativeLibrary.TryGetExport(library, "MPI_Get_library_version", out var function)) return null;
        var text = stackalloc byte[longest];
        int length;
        if (((delegate* unmanaged<byte*, int*, int>)function)(text, &length) != Success) return null;
        return Encoding.UTF8.GetString(text, length).TrimEnd('\0').Split('\n')[0].Replace('\t', ' ').Trim();
    }

    /// <summary>Loads the library again with global symbols, which Open MPI's plug-ins need.</summary>
    private static void LoadGlobally(string name)
    {
        const int lazy = 1, globalOnLinux = 0x100, globalOnMac = 8;
        foreach (var loader in OperatingSystem.IsMacOS() ? ["libSystem.dylib"] : (string[])["libc.so.6", "libdl.so.2"])
        {
            if (!NativeLibrary.TryLoad(loader, out var library) || !NativeLibrary.TryGetExport(library, "dlopen", out var open)) continue;
            var bytes = Encoding.UTF8.GetBytes(name + '\0');
            fixed (byte* path = bytes)
                ((delegate* unmanaged<byte*, int, nint>)open)(path, lazy | (OperatingSystem.IsMacOS() ? globalOnMac : globalOnLinux));
            return;
        }
    }
}
