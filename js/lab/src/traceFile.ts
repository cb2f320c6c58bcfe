// What is shown of a .strace file: its view, checked. docs/strace-file.md describes the format.
import { type UnzipFileInfo, strFromU8, unzipSync } from "fflate";

const newestVersion = 3;
/** Bytes of a member beyond which a file is refused unread, as in Python. */
const largestMember = 2 ** 28;

/** The Explorer's state as the file has it; the Explorer reads it, of each version. */
export interface View {
  view_state?: { arrays: unknown };
  /** What it was called in version 1. */
  bundle?: { arrays: unknown };
}

interface Manifest {
  format: unknown;
  version: unknown;
  members: Record<string, { bytes: number; sha256: string }>;
}

/** The view in a file's bytes; throws an error with a sentence for the person. */
export async function readView(file: Uint8Array, name: string): Promise<View> {
  const members = unzipped(file, name);
  const manifest = parsed<Manifest>(members["manifest.json"]);
  if (manifest?.format !== "strace") throw new Error(`${name} is no saved trace: it has no manifest.json that says so.`);
  if (typeof manifest.version !== "number" || manifest.version > newestVersion) {
    throw new Error(
      `${name} is a saved trace of version ${manifest.version}; this extension reads up to version ${newestVersion}. ` +
        "Install a newer strace_widgets.",
    );
  }
  const content = members["view.json"];
  if (!content) throw new Error(`${name} cannot be used: view.json is missing.`);
  if (!(await matches(content, manifest.members?.["view.json"]))) {
    throw new Error(`${name} cannot be used: view.json is not what was saved, its checksum in manifest.json is another.`);
  }
  const view = parsed<View>(content);
  if (!(view?.view_state ?? view?.bundle)?.arrays) throw new Error(`${name} cannot be used: view.json does not describe a trace.`);
  return view;
}

function unzipped(file: Uint8Array, name: string): Record<string, Uint8Array<ArrayBuffer>> {
  const needed = ({ name: member, originalSize }: UnzipFileInfo) => {
    if (member !== "manifest.json" && member !== "view.json") return false;
    if (originalSize > largestMember) throw new Error(`${member} is too large`);
    return true;
  };
  try {
    return unzipSync(file, { filter: needed }) as Record<string, Uint8Array<ArrayBuffer>>;
  } catch (reason) {
    throw new Error(`${name} is no saved trace, or was cut off: ${(reason as Error).message}.`);
  }
}

function parsed<Content>(member: Uint8Array | undefined): Content | null {
  try {
    return member ? JSON.parse(strFromU8(member)) : null;
  } catch {
    return null;
  }
}

async function matches(content: Uint8Array<ArrayBuffer>, recorded?: { bytes: number; sha256: string }): Promise<boolean> {
  if (content.length !== recorded?.bytes) return false;
  if (!globalThis.crypto?.subtle) return true; // over plain http browsers compute no checksums
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  return recorded.sha256 === [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
