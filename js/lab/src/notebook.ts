// A notebook that loads a saved trace.
import { PathExt } from "@jupyterlab/coreutils";
import type { IDocumentManager } from "@jupyterlab/docmanager";
import type { KernelSpec, ServiceManager } from "@jupyterlab/services";

/** Creates a notebook beside a .strace file, with a first cell that shows the trace, and opens it. */
export async function openInNotebook(path: string, services: ServiceManager.IManager, documents: IDocumentManager): Promise<void> {
  await services.kernelspecs.ready;
  const python = pythonOf(services.kernelspecs.specs);
  const { path: notebook } = await documents.newUntitled({ path: PathExt.dirname(path), type: "notebook" });
  const name = PathExt.basename(services.contents.localPath(path));
  await services.contents.save(notebook, { type: "notebook", format: "json", content: loading(name, python) });
  documents.openOrReveal(notebook, "Notebook", python && { name: python.name });
}

/** The default kernel if it is a Python, or else the first that is. */
function pythonOf(specs: KernelSpec.ISpecModels | null): KernelSpec.ISpecModel | undefined {
  const all = specs?.kernelspecs ?? {};
  return [all[specs?.default ?? ""], ...Object.values(all)].find((spec) => spec?.language === "python");
}

function loading(name: string, python?: KernelSpec.ISpecModel) {
  // JSON's quoted strings mean the same in Python.
  const source = `import strace_widgets as sw\n\ntrace = sw.load_trace(${JSON.stringify(name)})\ntrace.explore()`;
  const kernelspec = python && { name: python.name, display_name: python.display_name, language: python.language };
  return {
    nbformat: 4,
    nbformat_minor: 5,
    metadata: kernelspec ? { kernelspec } : {},
    cells: [{ cell_type: "code", id: "load-trace", metadata: {}, execution_count: null, outputs: [], source }],
  };
}
