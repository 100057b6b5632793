/** What a policy says about an action, in the words of the protocols and of every record. */
export const effects = ["ALLOW", "DENY", "REQUIRE_APPROVAL", "ALLOW_WITH_CONSTRAINTS", "THROTTLE"] as const;
export type Effect = (typeof effects)[number];

/** Every spelling a policy may use, in lower case and with `_` for `-`. */
export const effectWords: ReadonlyMap<string, Effect> = new Map([
  ["allow", "ALLOW"],
  ["permit", "ALLOW"],
  ["deny", "DENY"],
  ["block", "DENY"],
  ["require_approval", "REQUIRE_APPROVAL"],
  ["require_human", "REQUIRE_APPROVAL"],
  ["allow_with_constraints", "ALLOW_WITH_CONSTRAINTS"],
  ["throttle", "THROTTLE"],
]);

/** Enforced rules decide; observed ones are recorded beside the decision, and the action passes them. */
export const modes = ["enforce", "observe"] as const;
export type Mode = (typeof modes)[number];
