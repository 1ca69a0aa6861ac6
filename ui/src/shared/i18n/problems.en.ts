import type { Problems } from "./messages";

/**
 * What the service's errors are called here, by their code. The service's own sentences are English: here stand only
 * those that would speak to programs, and those of the page itself. `{said}` is the service's sentence.
 */
export const problems: Problems = {
  offline: "The service does not answer.",
  unauthenticated: "You are signed out. Sign in again.",
  malformed_request: "This page and the service do not understand each other. Reload the page.",
  malformed_json: "This page and the service do not understand each other. Reload the page.",
  method_not_allowed: "This page and the service do not understand each other. Reload the page.",
  no_such_route: "This page and the service do not understand each other. Reload the page.",
  unsupported_media_type: "This page and the service do not understand each other. Reload the page.",
  idempotency_key_reused: "This form was sent before with other values. Send it again.",
  idempotency_key_used: "The workspace that this form made has been deleted. Send it again.",
  precondition_failed: "The file has changed since it was opened.",
  bad_offset: "The terminal has begun anew. Attach again.",
  replaced: "The terminal was attached again elsewhere.",
};
