/**
 * Texts as people type them, brought to one spelling and counted.
 *
 * Full-width forms become half-width (Ａ１（ → A1(, U+3000 → a blank), runs of blanks one blank, blanks at the ends go.
 * A text of blanks alone is like a null.
 *
 * Input 0: one text column (utf8).
 *
 * Output, one row per normalised text, most frequent first and then in the order of code units:
 *     text       utf8
 *     rows       int64
 *     spellings  int64, different texts that became this one
 */
import { Builder, Type, emit, log, nextBatch } from "../../assemblyscript/assembly";
export { alloc, egret_abi_version } from "../../assemblyscript/assembly";

const BLANK: i32 = 0x20;

/** Half-width forms of the code units that have one; U+3000 and other blanks become U+0020. */
function halfWidth(unit: i32): i32 {
  if (unit >= 0xff01 && unit <= 0xff5e) return unit - 0xfee0;
  const blank = unit == 0x3000 || unit == 0xa0 || (unit >= 0x09 && unit <= 0x0d);
  return blank ? BLANK : unit;
}

/** One spelling of a text. */
export function normalised(text: string): string {
  const units = new StaticArray<u16>(text.length);
  let length = 0;
  for (let at = 0; at < text.length; at++) {
    const unit = halfWidth(text.charCodeAt(at));
    // A blank at the start, or after a blank, is left out.
    if (unit == BLANK && (length == 0 || units[length - 1] == BLANK)) continue;
    units[length++] = <u16>unit;
  }
  if (length > 0 && units[length - 1] == BLANK) length--;
  return String.UTF16.decodeUnsafe(changetype<usize>(units), length << 1);
}

class Count {
  rows: i64 = 0;
  spellings: Set<string> = new Set();

  constructor(readonly text: string) {}
}

function inOrder(a: Count, b: Count): i32 {
  if (a.rows != b.rows) return a.rows > b.rows ? -1 : 1;
  return a.text < b.text ? -1 : i32(a.text > b.text);
}

export function run(): i32 {
  const counts = new Map<string, Count>();
  let nothing: i64 = 0;
  for (let batch = nextBatch(0); batch; batch = nextBatch(0)) {
    const texts = batch.column(0, Type.Utf8);
    for (let row = 0; row < batch.rows; row++) {
      const spelling = texts.holds(row) ? texts.utf8(row) : "";
      const text = normalised(spelling);
      if (text.length == 0) {
        nothing++;
        continue;
      }
      if (!counts.has(text)) counts.set(text, new Count(text));
      const count = counts.get(text);
      count.rows++;
      count.spellings.add(spelling);
    }
    batch.free();
  }
  log("rows without text: " + nothing.toString());
  const text = new Builder(Type.Utf8);
  const rows = new Builder(Type.Int64);
  const spellings = new Builder(Type.Int64);
  const sorted = counts.values().sort(inOrder);
  for (let at = 0; at < sorted.length; at++) {
    text.pushUtf8(sorted[at].text);
    rows.pushInt64(sorted[at].rows);
    spellings.pushInt64(sorted[at].spellings.size);
  }
  return emit([text, rows, spellings]);
}
