/** Texts of coming by a link, which are fetched with that page. */
export const joining = {
  "join.title": "Join",
  "join.asks": "Somebody has shared a workspace with you.",
  "join.name": "Your name",
  "join.nameHint": "The owner sees it. You need no account.",
  "join.do": "Join",
  "join.waits": "The owner was asked to let you in. This page goes on by itself.",
  "join.noLink": "This address holds no link. Open the whole link that you were given.",
} as const;
