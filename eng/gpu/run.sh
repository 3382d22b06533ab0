#!/usr/bin/env bash
# Measures the TorchSharp engine on the GPU of this machine and prints one table. Passes its arguments on to the program:
#   eng/gpu/run.sh                                a Llama of the 8B shape with random weights, compared with PyTorch (python3 with torch)
#   eng/gpu/run.sh --shape tiny --device cpu      the same in seconds, without a GPU
#   eng/gpu/run.sh --shape small-20m --device cpu --rows 1 --threads 2 \
#       --modes managed,plain,recompute,int8,int4,peer-lean,peer-published,managed-sft,sft,peer-sft
#                                                 beside the managed engine and the PyTorch script of the shared test data (NLFT_FIXTURES)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
native=TorchSharp-cuda-linux
[[ " $* " != *" --device cpu "* ]] || native=
dotnet build eng/gpu --configuration Release --nologo --verbosity quiet ${native:+-p:NlftLibTorch=$native}
exec artifacts/bin/Microsoft.ML.Nlft.Gpu/release/Microsoft.ML.Nlft.Gpu "$@"
