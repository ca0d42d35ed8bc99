/** The globals of GraphiQL's bundle: React, and one function that renders GraphiQL. */
import type * as ReactModule from "react";

export interface GraphiQLOperation {
  readonly query: string;
  readonly operationName?: string | null;
  readonly variables?: Readonly<Record<string, unknown>>;
}

export interface OperationContext {
  /** From the Headers tab. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Undefined if the text is not a document. */
  readonly documentAST?: {
    readonly definitions: readonly {
      readonly kind: string;
      readonly operation?: string;
      readonly name?: { readonly value: string };
    }[];
  };
}

export interface Sink {
  readonly next: (result: unknown) => void;
  readonly error: (error: unknown) => void;
  readonly complete: () => void;
}

export interface Observable {
  readonly subscribe: (sink: Sink) => { readonly unsubscribe: () => void };
}

export interface GraphiQLPlugin {
  readonly title: string;
  readonly icon: () => ReactModule.ReactNode;
  readonly content: () => ReactModule.ReactNode;
}

/** The GraphiQL settings that the explorer uses. */
export interface GraphiQLSettings {
  readonly title: ReactModule.ReactNode;
  readonly logo: ReactModule.ReactNode;
  readonly fetcher: (
    operation: GraphiQLOperation,
    context?: OperationContext,
  ) => Observable | Promise<unknown>;
  readonly plugins: readonly GraphiQLPlugin[];
  readonly visiblePlugin: string;
  readonly storage: Pick<Storage, "getItem" | "setItem" | "removeItem" | "clear" | "length">;
  readonly shouldPersistHeaders: boolean;
  /** Whether the editors of variables and headers are open. */
  readonly defaultEditorToolsVisibility: boolean;
  readonly defaultQuery: string;
  /** By default, GraphiQL writes the query into the URL. */
  readonly onEditQuery: () => void;
}

declare global {
  var YogaGraphiQL: {
    readonly renderYogaGraphiQL: (element: Element, settings: GraphiQLSettings) => void;
  };
  var MonacoEnvironment: {
    readonly globalAPI: boolean;
    readonly getWorkerUrl: (module: string, label: string) => string;
  };
}

export const { renderYogaGraphiQL } = globalThis.YogaGraphiQL;
export const {
  createElement: h,
  Fragment,
  useEffect,
  useId,
  useRef,
  useState,
  useSyncExternalStore,
} = globalThis.React;
