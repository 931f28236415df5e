// What holds on every page, on a phone.
import { describe, test } from "./harness";
import { check, places } from "./places";

describe("on a phone", () => {
  test.each(places.map((p, i) => ({ ...p, dark: i % 2 === 0 })))("$name", async ({ dark, ...place }) => {
    await check(place, { phone: true, dark });
  });
});
