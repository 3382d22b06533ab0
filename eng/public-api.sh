#!/usr/bin/env bash
# Writes src/*/PublicAPI.Unshipped.txt anew from the code: what is public and not in PublicAPI.Shipped.txt.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
for project in src/*/; do
    printf '#nullable enable\n' > "${project}PublicAPI.Unshipped.txt"
    dotnet format analyzers "$project" --diagnostics RS0016 RS0017
done
wc -l src/*/PublicAPI.Unshipped.txt
