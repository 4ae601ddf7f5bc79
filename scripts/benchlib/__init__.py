"""The benchmark behind `scripts/bench`. The razorg package never imports this.

Walk: cli → schedule → pair (two child processes) → child → one contestant's module → drive; then stats → table.
"""
