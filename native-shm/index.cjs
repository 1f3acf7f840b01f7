'use strict';
/** index.cjs — loads the addon that was compiled for this Node. The exports are spelled out one by one, because that is
 *  what makes them visible to `import { fork } from …`. */
const { existsSync } = require('node:fs');
const { join } = require('node:path');

const file = join(__dirname, 'lib', `native_shm-${process.versions.modules}-${process.arch}.node`);
if (!existsSync(file)) {
  throw new Error(
    `native-shm is not compiled for Node ${process.version} (${process.arch}, ABI ${process.versions.modules}); ` +
      'run "npm rebuild" in the package, or "node native-shm/build.mjs", with this Node',
  );
}
const addon = require(file);

// mapping
exports.createSegment = addon.createSegment;
exports.mapShared = addon.mapShared;
exports.remapShared = addon.remapShared;
exports.mapPrivate = addon.mapPrivate;
exports.segmentBuffer = addon.segmentBuffer;
exports.unmapShared = addon.unmapShared;
exports.punchHole = addon.punchHole;

// futex (shared, works across processes)
exports.futexWait = addon.futexWait;
exports.futexWake = addon.futexWake;

// signals
exports.signalWords = addon.signalWords;
exports.SIG_ACTION = Object.freeze({ DEFAULT: 0, IGNORE: 1, WORD: 2, WAKE: 3, QUICKDIE: 4, EXIT1: 5, EXIT2: 6 });
exports.signalAction = addon.signalAction;
exports.signalLatch = addon.signalLatch;
exports.signalMask = addon.signalMask;
exports.kill = addon.kill;
exports.setAlarm = addon.setAlarm;
exports.quickdieArm = addon.quickdieArm;

// processes
exports.fork = addon.fork;
exports.spawnProcess = addon.spawnProcess;
exports.exec = addon.exec;
exports.waitpid = addon.waitpid;
exports.getpid = addon.getpid;
exports.getppid = addon.getppid;
exports.setsid = addon.setsid;
exports.exitNow = addon.exitNow;
exports.abortNow = addon.abortNow;
exports.parentDeathSignal = addon.parentDeathSignal;
exports.titleInit = addon.titleInit;
exports.setTitle = addon.setTitle;
exports.raiseFileLimit = addon.raiseFileLimit;
exports.unlimitCore = addon.unlimitCore;
exports.monotonicNs = addon.monotonicNs;
exports.trimHeap = addon.trimHeap;
exports.realtimeUs = addon.realtimeUs;
exports.randomFill = addon.randomFill;

// waiting (epoll)
exports.epollCreate = addon.epollCreate;
exports.EPOLL = Object.freeze({ IN: 1, OUT: 4, ERR: 8, HUP: 16, RDHUP: 8192 });
exports.epollAdd = addon.epollAdd;
exports.epollModify = addon.epollModify;
exports.epollDelete = addon.epollDelete;
exports.epollWait = addon.epollWait;
exports.wakeSelf = addon.wakeSelf;

// descriptors
exports.closeFd = addon.closeFd;
exports.closeFrom = addon.closeFrom;
exports.dup2 = addon.dup2;
exports.pipe = addon.pipe;
exports.socketPair = addon.socketPair;
exports.setNonblocking = addon.setNonblocking;
exports.setCloseOnExec = addon.setCloseOnExec;
exports.flock = addon.flock;
exports.openReadOnly = addon.openReadOnly;

// sockets
exports.resolveHost = addon.resolveHost;
exports.gaiMessage = addon.gaiMessage;
exports.reverseName = addon.reverseName;
exports.listenTcp = addon.listenTcp;
exports.listenUnix = addon.listenUnix;
exports.accept = addon.accept;
exports.peerName = addon.peerName;
exports.sockName = addon.sockName;
exports.peerCredentials = addon.peerCredentials;
exports.userName = addon.userName;
exports.effectiveUid = addon.effectiveUid;
exports.setTcpOption = addon.setTcpOption;
exports.getTcpOption = addon.getTcpOption;
exports.recv = addon.recv;
exports.send = addon.send;
exports.peerClosed = addon.peerClosed;
exports.shutdown = addon.shutdown;
exports.connectTcp = addon.connectTcp;
exports.connectUnix = addon.connectUnix;
exports.sendFd = addon.sendFd;
exports.recvFd = addon.recvFd;
exports.udpLoopback = addon.udpLoopback;
exports.udpSend = addon.udpSend;
exports.udpRecv = addon.udpRecv;

// files
exports.preadSegment = addon.preadSegment;
exports.pwriteSegment = addon.pwriteSegment;
exports.pwritevSegment = addon.pwritevSegment;
exports.openFile = addon.openFile;
exports.fileLength = addon.fileLength;
exports.truncateFile = addon.truncateFile;
exports.unlinkFile = addon.unlinkFile;
exports.renameFile = addon.renameFile;
exports.writeBytes = addon.writeBytes;
exports.readBytes = addon.readBytes;
exports.fdatasync = addon.fdatasync;
exports.fsync = addon.fsync;
exports.syncFileRange = addon.syncFileRange;
exports.posixFallocate = addon.posixFallocate;
exports.posixFadviseWillNeed = addon.posixFadviseWillNeed;
exports.posixFadviseDontNeed = addon.posixFadviseDontNeed;

// checksums
exports.crc32c = addon.crc32c;
exports.crc32cSegment = addon.crc32cSegment;

// errors
exports.errorMessage = addon.errorMessage;
exports.ERRNO = Object.freeze(addon.ERRNO);
