// JupyterLab's side of saved traces: a file type, a viewer for it, and a command that goes on in a notebook.
import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from "@jupyterlab/application";
import { ICommandPalette, WidgetTracker, showErrorMessage } from "@jupyterlab/apputils";
import { IDocumentManager } from "@jupyterlab/docmanager";
import { ABCWidgetFactory, type DocumentRegistry, DocumentWidget } from "@jupyterlab/docregistry";
import { LabIcon, ToolbarButton, notebookIcon } from "@jupyterlab/ui-components";
import { openInNotebook } from "./notebook";
import { TraceView } from "./traceView";

type TraceDocument = DocumentWidget<TraceView>;

const viewer = "s-Trace Explorer";
const command = "strace-widgets:open-in-notebook";

// The error's curve over the size, with the handle on it.
const icon = new LabIcon({
  name: "strace-widgets:trace",
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 22 22">
  <g class="jp-icon3 jp-icon-selectable" fill="#616161">
    <path d="M2 2h2v16h16v2H2zM5.5 4.5c7 0 6 9 14 9.5v2c-10-.5-9-9.5-14-9.5z"/><circle cx="12.3" cy="10.3" r="3"/>
  </g>
</svg>`,
});

class TraceFactory extends ABCWidgetFactory<TraceDocument> {
  protected createNewWidget(context: DocumentRegistry.Context): TraceDocument {
    const content = new TraceView(context);
    return new DocumentWidget({ content, context, reveal: content.drawn });
  }
}

function activate(
  app: JupyterFrontEnd,
  documents: IDocumentManager,
  palette: ICommandPalette | null,
  restorer: ILayoutRestorer | null,
): void {
  const { commands, docRegistry, serviceManager, shell } = app;
  const tracker = new WidgetTracker<TraceDocument>({ namespace: "strace-widgets" });

  commands.addCommand(command, {
    label: "Open the Saved Trace in a Notebook",
    icon: notebookIcon,
    isEnabled: () => tracker.currentWidget !== null && tracker.currentWidget === shell.currentWidget,
    execute: async ({ path = tracker.currentWidget?.context.path }) => {
      try {
        if (typeof path === "string") await openInNotebook(path, serviceManager, documents);
      } catch (reason) {
        await showErrorMessage("The notebook could not be created", reason as Error);
      }
    },
  });
  palette?.addItem({ command, category: "s-Trace" });

  docRegistry.addFileType({
    name: "strace",
    displayName: "Saved s-Trace",
    extensions: [".strace"],
    mimeTypes: ["application/vnd.strace+zip"],
    contentType: "file",
    fileFormat: "base64",
    icon,
  });
  const factory = new TraceFactory({
    name: viewer,
    modelName: "base64",
    fileTypes: ["strace"],
    defaultFor: ["strace"],
    readOnly: true,
    toolbarFactory: ({ context }) => {
      // Of this file, also where another one beside it has the focus.
      const onClick = () => void commands.execute(command, { path: context.path });
      return [{ name: "notebook", widget: new ToolbarButton({ label: "Open in a notebook", onClick }) }];
    },
  });
  factory.widgetCreated.connect((_, widget) => {
    widget.title.icon = icon;
    void tracker.add(widget);
  });
  docRegistry.addWidgetFactory(factory);
  void restorer?.restore(tracker, {
    command: "docmanager:open",
    args: ({ context }) => ({ path: context.path, factory: viewer }),
    name: ({ context }) => context.path,
  });
}

const plugin: JupyterFrontEndPlugin<void> = {
  id: "strace_widgets:traces",
  description: "Opens saved traces in the Explorer.",
  autoStart: true,
  requires: [IDocumentManager],
  optional: [ICommandPalette, ILayoutRestorer],
  activate,
};

export default plugin;
