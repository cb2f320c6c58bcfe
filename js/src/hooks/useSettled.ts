import { useEffect, useState } from "preact/hooks";

const rest = 200; // ms

/** A value once it rests: for what is too large to follow a drag. */
export function useSettled<T>(value: T): T {
  const [settled, setSettled] = useState(() => value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(() => value), rest);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}
