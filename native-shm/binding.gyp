{
  # The language standard (C++17 for Node 20, C++20 from 22) comes from Node's own common.gypi.
  "targets": [
    {
      "target_name": "native_shm",
      "sources": [
        "src/addon.cc",
        "src/address.cc",
        "src/arguments.cc",
        "src/crc32c.cc",
        "src/descriptors.cc",
        "src/errors.cc",
        "src/file-io.cc",
        "src/futex.cc",
        "src/mapping.cc",
        "src/process.cc",
        "src/runtime-descriptors.cc",
        "src/signals.cc",
        "src/socket.cc",
        "src/spawn.cc",
        "src/title.cc",
        "src/wait.cc"
      ],
      "defines": ["_GNU_SOURCE"],
      "cflags": ["-Wall", "-Wextra", "-fvisibility=hidden"]
    }
  ]
}
