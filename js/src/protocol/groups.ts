// What Python and the browser say to each other. Made from strace_widgets/explorer/contract.py by
// `python js/generate_protocol.py`: change it there.

export type Colour = "blue" | "red" | "green" | "violet" | "brown" | "mauve";

/** Heads and MLPs that a person has given a name. */
export interface Group {
  /** 1 to 60 characters on one line, and no other group's; it is data and never HTML. */
  name: string;
  /** And with it the shape of its mark. */
  colour: Colour;
  /** Heads (`"9.6"`) and MLPs (`"9.mlp"`), layer by layer; perhaps none yet. */
  members: string[];
}
