@echo off
rem The one door: build.cmd VERB [arguments]. What the verbs do is in eng\build.proj.
setlocal
cd /d "%~dp0"

set "verb=%~1"
if "%verb%"=="" goto help
for %%v in (build test sample bench study scale fuzz torture pack docs) do if /i "%verb%"=="%%v" goto run
for %%v in (help -h --help) do if /i "%verb%"=="%%v" goto help
echo build.cmd: '%verb%' is no verb. 1>&2
type eng\help.txt 1>&2
exit /b 2

:help
type eng\help.txt
exit /b 0

:run
where dotnet >nul 2>nul || (echo build.cmd: 'dotnet' was not found. Install the .NET 10 SDK: https://dotnet.microsoft.com/download 1>&2 & exit /b 1)
set DOTNET_NOLOGO=1
set DOTNET_CLI_TELEMETRY_OPTOUT=1
set NLFT_ARGUMENTS=
for /f "tokens=1,*" %%a in ("%*") do set NLFT_ARGUMENTS=%%b
if exist artifacts\closing-line.txt del artifacts\closing-line.txt
dotnet msbuild eng\build.proj -nologo -verbosity:minimal -consoleLoggerParameters:NoSummary -terminalLogger:off -nodeReuse:false ^
    -property:Verb=%verb% -target:%verb%
set code=%errorlevel%
if exist artifacts\closing-line.txt type artifacts\closing-line.txt
exit /b %code%
