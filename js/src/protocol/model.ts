import type { AnyModel } from "@anywidget/types";
import type { ExplorerState } from "./types";

/** What the views need of an anywidget model: a comm in a notebook, a plain object in an exported page. */
export type ExplorerModel = Pick<AnyModel<ExplorerState>, "get" | "set" | "on" | "off" | "save_changes" | "send">;
