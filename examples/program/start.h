// What a program settles before main(), because libraries read it when they are loaded: how long
// waiting threads spin, and whether the address space is large enough for OpenBLAS.
#pragma once

namespace skiff::start {

// Does nothing; a call makes the linker take start.cpp from the archive. run_program() calls it.
void link_start();

}  // namespace skiff::start
