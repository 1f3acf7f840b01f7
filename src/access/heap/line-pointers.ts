/** line-pointers.ts — flags of line pointer words in place, for loops that test them without shifting. */
export const LP_MASK = 0x18000;
export const LP_UNUSED = 0;
export const LP_NORMAL = 0x08000;
export const LP_REDIRECT = 0x10000;
export const LP_DEAD = 0x18000;
