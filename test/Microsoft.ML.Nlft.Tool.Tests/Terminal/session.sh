# One session with nlft: the terminal test runs it, and docs/cli.md shows what it prints.
# Wanted: TOOL, the tool's assembly; the working folder holds tiny-word-problems/, rows.csv and test.jsonl. Typed: a question, then /exit.
set -e
nlft() { dotnet "$TOOL" "$@"; }
run() { printf '$ %s\n' "$*"; "$@"; }

run nlft evaluate --model tiny-word-problems --data test.jsonl --maximum-new-tokens 96
run nlft train --model tiny-word-problems --data rows.csv --output tuned --epochs 4 --learning-rate 1e-3
run nlft chat --adapter tuned --maximum-new-tokens 96
run nlft merge --adapter tuned --output merged
run nlft evaluate --model merged --data test.jsonl --maximum-new-tokens 96
