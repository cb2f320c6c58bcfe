import type { Conversation } from "../hooks/kernel";
import type { Shown } from "../hooks/useShown";
import type { Theme } from "../logic/scales";
import type { ExplorerModel } from "../protocol/model";
import type { Status, ViewState } from "../protocol/types";

/** What a view may draw from. Each says which of these it needs. */
export interface ViewProps {
  model: ExplorerModel;
  viewState: ViewState;
  shown: Shown;
  theme: Theme;
  status: Status;
  conversation: Conversation;
}
