export { default } from "../sdk/eslint.config.js";
