import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { useSettled } from "../hooks/useSettled";

/** A table's text: the header row first, and in each row the header cell first. */
export interface TableText {
  caption: string;
  head: string[];
  rows: string[][];
}

interface Props<T> {
  /** What the table stands beside: a title, or nothing. */
  title?: ComponentChildren;
  /** "the curve", for the button's name. */
  of: string;
  data: T;
  text(data: T): TableText;
}

/** A picture's title and a button that shows its numbers as a table; nothing is made while that is closed. */
export function AsTable<T>({ title, of, data, text }: Props<T>) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <div class="sw-head">
        {title}
        <button type="button" class="sw-as-table" aria-expanded={open} aria-label={`${of} as table`} onClick={() => setOpen(!open)}>
          as table
        </button>
      </div>
      {open && <Table of={of} data={data} text={text} />}
    </>
  );
}

function Table<T>({ of, data, text }: Props<T>) {
  const { caption, head, rows } = text(useSettled(data));
  return (
    <div class="sw-table" role="region" aria-label={`${of} as table`} tabIndex={0}>
      <table>
        <caption>{caption}</caption>
        <thead>
          <tr>{head.map((name, index) => (name ? <th key={index} scope="col">{name}</th> : <td key={index} />))}</tr>
        </thead>
        <tbody>
          {rows.map(([name, ...cells], row) => (
            <tr key={row}>
              <th scope="row">{name}</th>
              {cells.map((cell, index) => <td key={index}>{cell}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
