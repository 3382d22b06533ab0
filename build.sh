#!/usr/bin/env bash
# The one door: ./build.sh VERB [arguments]. What the verbs do is in eng/build.proj.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1

verb=${1:-help}
shift || true
case $verb in
    build | test | sample | bench | study | scale | fuzz | torture | pack | docs) ;;
    help | -h | --help) exec cat eng/help.txt ;;
    *) echo "build.sh: '$verb' is no verb." >&2; cat eng/help.txt >&2; exit 2 ;;
esac
command -v dotnet > /dev/null || {
    echo "build.sh: 'dotnet' was not found. Install the .NET 10 SDK: https://dotnet.microsoft.com/download" >&2
    exit 1
}

export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1
export NLFT_ARGUMENTS=
[ $# -eq 0 ] || NLFT_ARGUMENTS=$(printf '%q ' "$@")
rm -f artifacts/closing-line.txt
dotnet msbuild eng/build.proj -nologo -verbosity:minimal -consoleLoggerParameters:NoSummary -terminalLogger:off -nodeReuse:false \
    -property:Verb="$verb" -target:"$verb" < /dev/null
code=$?
[ ! -f artifacts/closing-line.txt ] || cat artifacts/closing-line.txt
exit $code
