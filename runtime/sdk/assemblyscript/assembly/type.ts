/** The types that cross, with what a row holds. Smaller whole numbers arrive as Int32, unsigned 32 bit as Int64. */
export enum Type {
  /** One bit; in JSON "boolean". */
  Boolean = 1,
  /** i32; "int32". */
  Int32 = 2,
  /** i64; "int64". */
  Int64 = 3,
  /** f64; "float64". */
  Float64 = 4,
  /** Text; "utf8". */
  Utf8 = 5,
  /** i32, days since 1970-01-01; "date32". */
  Date32 = 6,
  /** i64, microseconds since 1970-01-01 00:00; "timestamp_micros". */
  Timestamp = 7,
}

/** Bytes of a value in the data buffer; 0 for booleans, which are bits, and for text, whose length varies. */
export function bytesOf(type: Type): i32 {
  switch (type) {
    case Type.Int32:
    case Type.Date32:
      return 4;
    case Type.Int64:
    case Type.Float64:
    case Type.Timestamp:
      return 8;
    default:
      return 0;
  }
}
