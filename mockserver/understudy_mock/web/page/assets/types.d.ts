/** The rows of the feed, as far as the page reads them. Instants are ms since the epoch. Not served. */

export interface Job {
  id: string; account: string; provider: string; model: string; scenario?: string; created: number;
  steps: [ms: number, state: string][]; by?: string; at?: number; price?: number; error?: string;
}

export interface Call {
  call: number; at: number; ms?: number; method: string; path: string; operation?: string; provider?: string;
  status?: number; job?: string; account?: string; scenario?: string; fault?: string; error?: string; why?: string;
  warnings?: string[];
}

export interface Delivery {
  id: string; job: string; account: string; event: string; url: string; state: string; due: number;
  attempts?: number; status?: number; ms?: number; error?: string; call?: number;
}

export interface Marks { calls: Call[]; deliveries: Map<string, Delivery> }
