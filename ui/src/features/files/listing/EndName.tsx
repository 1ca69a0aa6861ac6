const END = 14;

/** Where a name is cut when it has no room: what is behind stays in sight, as endings and numbers are there. */
export function parts(name: string): readonly [string, string] {
  const letters = [...name];
  return letters.length <= END * 2
    ? [name, ""]
    : [letters.slice(0, -END).join(""), letters.slice(-END).join("")];
}

/** A name that is shortened in its middle where it has no room. */
export function EndName({ name }: { name: string }) {
  const [head, end] = parts(name);
  return (
    <span className="end-name" title={end ? name : undefined}>
      <span className="end-name-head">{head}</span>
      {end && <span className="end-name-end">{end}</span>}
    </span>
  );
}
