// @ts-ignore: a decorator of the compiler
@external("egret", "log")
declare function hostLog(text: usize, bytes: i32): void;

/**
 * Adds a line to the log, which is cut at its limit (16 KiB by default), kept with a held result and never
 * released. Write counts and stages, never values.
 */
export function log(text: string): void {
  const bytes = String.UTF8.encode(text + "\n");
  hostLog(changetype<usize>(bytes), bytes.byteLength);
}

/** Logs why, and ends the run. */
export function fail(why: string): void {
  log(why);
  unreachable();
}

/** What the compiler calls where it would throw. It says where, and not what: a message may hold a value. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  log("aborted in " + (file ? file : "?") + ":" + line.toString());
  unreachable();
}
