// The answers of the API by their names, as openapi.json describes them.
import type { components } from "./schema";

type Schemas = components["schemas"];

export type Status = Schemas["Status"];
export type Standing = Schemas["Standing"];
export type UpstreamShare = Schemas["UpstreamShare"];
export type Feed = Schemas["Feed"];
export type Peer = Schemas["Peer"];
export type Gap = Schemas["Gap"];
export type Event = Schemas["Event"];
export type Evidence = Schemas["Evidence"];
export type Incident = Schemas["Incident"];
export type Story = Schemas["Story"];
export type Note = Schemas["Note"];
export type Migration = Schemas["CncMigration"];
export type Sighting = Schemas["CncSighting"];
export type Dossier = Schemas["CncDossier"];
export type Housed = Schemas["CncHoused"];
export type Residence = Schemas["CncResidence"];
export type FamilyKnown = Schemas["Family"];
export type Found = Schemas["Search"];
export type Result = Schemas["Result"];
export type DossierFamily = Schemas["CncDossierFamily"];
export type Timeline = Schemas["TimelineTimeline"];
export type Lane = Schemas["TimelineLane"];
export type Interval = Schemas["TimelineInterval"];
export type Sight = Schemas["TimelineSight"];
export type Route = Schemas["TimelineRoute"];
export type Routes = Schemas["TimelineRoutes"];
export type Difference = Schemas["TimelineDifference"];
export type Carried = Schemas["TimelineCarried"];
export type Carriage = Schemas["TimelineCarriage"];
export type CarriedHoster = Schemas["TimelineCarriedHoster"];
export type Load = Schemas["TimelineLoad"];
export type Stand = Schemas["TimelineStand"];
export type AboutPrefix = Schemas["AboutPrefix"];
export type AboutAS = Schemas["AboutAS"];
export type KnownOrigin = Schemas["KnownOrigin"];
export type NamedHoster = Schemas["NamedHoster"];
export type Still = Schemas["TimelineStill"];
export type Upstream = Schemas["Upstream"];
export type Explanations = Schemas["Explanations"];
export type Explanation = Schemas["Explanation"];
export type Told = Schemas["Told"];
export type Subscription = Schemas["Subscription"];
export type Silence = Schemas["Silence"];
export type Playing = Schemas["Playing"];
export type Chapter = Schemas["Chapter"];
export type Headline = Schemas["Headline"];
/** What is left out stays as it is. */
export type Wish = Partial<Schemas["Wish"]>;
export type Who = Schemas["AccessWho"];

/** A page of a list. */
export interface List<T> {
  items: T[] | null;
  next?: string;
  gaps: Gap[] | null;
}

const none: readonly never[] = []; // always the same: what was drawn of it need not be drawn again

/** Go writes a list that it does not have as null: for whoever reads it, it is empty. */
export function many<T>(list: readonly T[] | null | undefined): readonly T[] {
  return list ?? none;
}
