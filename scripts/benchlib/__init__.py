"""The benchmark behind `scripts/bench`. The razorg package never imports this.

Walk: cli → schedule → pair (two child processes) → child → one contestant's module → drive; then stats → table, goals,
plots. Beside it: curves, guard, memory, profiling, each with a `main` of its own. env makes `.venv-bench`, before all.
"""
