// Package webui is the hub's face: pages that work without JavaScript, a JSON
// API, and one stream of events that makes both live. It is also the gate:
// who may see and change what is decided here, for every route in one table.
//
// Words live in ui/text, one file a language; everything that is shown goes
// through locale, so a page, its script and its problems speak one language.
// Times are the house's, never the browser's.
//
// Only cmd/homehub imports webui. webui imports hub and reaches everything
// else through the small interfaces of its Config.
package webui
