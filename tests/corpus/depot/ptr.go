package main

import "unsafe"

func debugPtr() *int { var p uintptr = 0xdeadbeef000; return *(**int)(unsafe.Pointer(&p)) }
