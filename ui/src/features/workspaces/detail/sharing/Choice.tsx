import { Field } from "../../../../ui/Field";

interface ChoiceProps<One extends string> {
  label: string;
  hint?: string | undefined;
  options: readonly One[];
  value: One;
  onChange: (one: One) => void;
  textOf: (one: One) => string;
}

/** A labelled choice among few. */
export function Choice<One extends string>({
  label,
  hint,
  options,
  value,
  onChange,
  textOf,
}: ChoiceProps<One>) {
  return (
    <Field label={label} hint={hint}>
      {(props) => (
        <select {...props} value={value} onChange={(event) => onChange(event.target.value as One)}>
          {options.map((one) => (
            <option key={one} value={one}>
              {textOf(one)}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}
