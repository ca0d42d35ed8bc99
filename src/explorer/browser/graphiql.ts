/** GraphiQL as its bundle gives it to the page: React, and one function. */
import type * as ReactModule from "react";

export interface Operation {
  readonly query: string;
  readonly operationName?: string | null;
  readonly variables?: Readonly<Record<string, unknown>>;
}

export interface OperationContext {
  /** From the Headers tab. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Undefined where the text is no document. */
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

export interface Plugin {
  readonly title: string;
  readonly icon: () => ReactModule.ReactNode;
  readonly content: () => ReactModule.ReactNode;
}

/** What of its settings the explorer uses. */
export interface Settings {
  readonly title: ReactModule.ReactNode;
  readonly logo: ReactModule.ReactNode;
  readonly fetcher: (
    operation: Operation,
    context?: OperationContext,
  ) => Observable | Promise<unknown>;
  readonly plugins: readonly Plugin[];
  readonly visiblePlugin: string;
  readonly storage: Pick<Storage, "getItem" | "setItem" | "removeItem" | "clear" | "length">;
  readonly shouldPersistHeaders: boolean;
  /** Of the variables and headers. */
  readonly defaultEditorToolsVisibility: boolean;
  readonly defaultQuery: string;
  /** By default, it writes the query into the URL. */
  readonly onEditQuery: () => void;
}

declare global {
  var YogaGraphiQL: {
    readonly renderYogaGraphiQL: (element: Element, settings: Settings) => void;
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
