"""What a large GPU should measure and train, in one bounded program: `python -m benchmarks.gpu`.

A part is a module with `main(asked: Options) -> None`, `Options` being those of
`benchmarks.gpu.part`; the table of parts is in `benchmarks.gpu.table`. Each part runs in a process
of its own, is asked to end by SIGTERM when its seconds are over, and is killed ten seconds later.
What it has noted and left by then stays:

- `asked.note({"images_per_second": 812.0})` adds figures to the part's, or replaces them by name;
  they are in `out/results.json` within two seconds, whatever becomes of the part.
- `with asked.leaving("teacher.safetensors") as temporary:` leaves a file in `out`, whole or not at
  all. Eight files come back from a machine, `results.json` and `log.txt` among them, each below
  16 MiB, at most two folders down.
- `asked.folder` is the part's own workspace; `asked.folder_of("teacher")` is that of another part,
  which may not have run.
- `asked.seconds_left` counts down to the SIGTERM; what would not be done by then is left out, and
  said so.
- `asked.scaled(1000, least=10)` is a size at the scale that was asked for.

An exception is a failure, with the last lines of the output as the reason. What is printed goes to
`out/log.txt`, too. Without CUDA a part runs on the CPU: `ddoq.processes.world.launch({}).device`.
"""
