#pragma once

// DECANT_CLONES("avx512f", "avx2") compiles a function once for processors with each of these instructions and once for
// all others, where the compiler can. Which of them runs is chosen when the program starts.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define DECANT_CLONES(...) __attribute__((target_clones(__VA_ARGS__, "default")))
#else
#define DECANT_CLONES(...)
#endif
