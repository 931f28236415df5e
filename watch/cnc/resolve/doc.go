// Package resolve asks the DNS where the names of C&C servers point, again and again, and keeps each answer
// with its time as a sighting: also that there is none.
//
// A [Book] holds the names that sightings gave, bounded, and says which are due. A [Resolver] asks one's own
// resolver for them, at a bounded rate. [Book.Ask] joins both: it returns when all that is due was asked, or its
// context ended; nothing outlives it. An answer is handed out when it differs from the last one of the same name, and once in a while
// where it does not; what could not be learned (a timeout, SERVFAIL) is counted and changes nothing.
//
// It asks from here: whoever runs the name server of a bad name may see one's resolver. Where that matters, configure another.
package resolve
