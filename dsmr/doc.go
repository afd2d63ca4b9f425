// Package dsmr reads the P1 port of a smart meter: it finds telegrams in a
// stream of bytes, checks and decrypts them, takes them apart without losing a
// digit, and looks after the port they arrive on. It can also write telegrams,
// for a simulated meter.
//
// Nothing is configured that can be seen in a telegram: the standard, the
// country's habits and whether there is a checksum are all detected. Standards:
// DSMR P1 2.2 to 5.0.2 (Netherlands), e-MUCS P1 1.3 to 2.1 (Belgium),
// Luxmetering E-Meter P1 1.1.3, Swedish H1, and their relatives in Austria,
// Hungary, Ireland, Lithuania and Germany.
//
// Only cmd/homehub imports dsmr; sim uses its encoder and OpenPTY.
package dsmr
