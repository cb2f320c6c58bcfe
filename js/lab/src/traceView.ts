// One open .strace file: the Explorer in replay, or a sentence that says what is wrong with the file.
import { PageConfig, PathExt } from "@jupyterlab/coreutils";
import type { DocumentRegistry } from "@jupyterlab/docregistry";
import { Widget } from "@lumino/widgets";
import { type View, readView } from "./traceFile";

/** What the Explorer's module offers besides its widget: see `js/src/explorer.tsx`. */
interface ExplorerModule {
  replay(state: View, el: HTMLElement): () => void;
}

let loading: Promise<ExplorerModule> | undefined;

/** The module that notebooks use too. The wheel lays it beside this extension; it is fetched when a first file opens. */
function explorer(): Promise<ExplorerModule> {
  const folder = `${PageConfig.getOption("fullLabextensionsUrl")}/strace_widgets/explorer`;
  loading ??= styled(`${folder}/explorer.css`).then(() => import(/* webpackIgnore: true */ `${folder}/explorer.js`));
  loading.catch(() => (loading = undefined)); // the server may be back when the next file opens
  return loading;
}

function styled(address: string): Promise<unknown> {
  const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href: address });
  return new Promise((resolve, reject) => {
    link.addEventListener("load", resolve);
    link.addEventListener("error", () => reject(new Error(`The Explorer's style sheet was not found at ${address}.`)));
    document.head.append(link);
  });
}

export class TraceView extends Widget {
  /** Settled once the file has been drawn for the first time. */
  readonly drawn: Promise<void>;
  #undraw = () => {};

  constructor(private readonly context: DocumentRegistry.Context) {
    super();
    Object.assign(this.node.style, { overflow: "auto", padding: "16px", background: "var(--jp-layout-color0)" });
    this.drawn = context.ready.then(() => {
      context.model.contentChanged.connect(() => void this.draw()); // the file was written anew
      return this.draw();
    });
  }

  override dispose(): void {
    this.#undraw();
    super.dispose();
  }

  private async draw(): Promise<void> {
    const name = PathExt.basename(this.context.localPath);
    try {
      const view = await readView(bytes(this.context.model.toString()), name);
      const { replay } = await explorer();
      this.replace((el) => {
        try {
          return replay(view, el);
        } catch (reason) {
          throw new Error(`${name} cannot be used: view.json does not describe a trace (${(reason as Error).message}).`);
        }
      });
    } catch (reason) {
      this.replace((el) => {
        const sentence = Object.assign(document.createElement("p"), { textContent: (reason as Error).message });
        sentence.setAttribute("role", "alert");
        el.append(sentence);
        return () => {};
      });
    }
  }

  /** Replaces what is shown. */
  private replace(draw: (el: HTMLElement) => () => void): void {
    if (this.isDisposed) return;
    this.#undraw();
    const el = document.createElement("div");
    this.node.replaceChildren(el);
    this.#undraw = draw(el);
  }
}

function bytes(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
