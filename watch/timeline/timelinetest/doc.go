// Package timelinetest is for the tests of what remembers and of what asks: [Memory] is a
// Store so plain that one can see that it is right, and every other Store must answer as it
// does.
package timelinetest
