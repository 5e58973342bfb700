/** Where a page finds its project: the SDK knows. */

export { findProject } from "firertc/hosting";
