/**
 * The flow that the public tutorials teach: a call document, candidates one document each, two
 * listeners.
 */

import { initializeApp } from "firebase/app";
import { connectAuthEmulator, getAuth, signInAnonymously } from "firebase/auth";
import {
  addDoc,
  collection,
  connectFirestoreEmulator,
  doc,
  getDoc,
  getFirestore,
  onSnapshot,
  setDoc,
  updateDoc,
  type DocumentReference,
  type Firestore,
} from "firebase/firestore";

import { opened } from "./opening.js";

/** Where the emulators are. */
export interface Project {
  readonly project: string;
  readonly firestoreEmulator: string;
  readonly authEmulator: string;
}

let database: Firestore | null = null;

async function signIn(project: Project): Promise<Firestore> {
  if (database) return database;
  const app = initializeApp({ projectId: project.project, apiKey: "demo" }, "tutorial");
  const auth = getAuth(app);
  connectAuthEmulator(auth, `http://${project.authEmulator}`, { disableWarnings: true });
  await signInAnonymously(auth);
  database = getFirestore(app);
  const [host = "", port = ""] = project.firestoreEmulator.split(":");
  connectFirestoreEmulator(database, host, Number(port));
  return database;
}

function connection(
  call: DocumentReference,
  mine: string,
): { pc: RTCPeerConnection; channel: RTCDataChannel } {
  const pc = new RTCPeerConnection();
  pc.onicecandidate = ({ candidate }) => {
    if (candidate) void addDoc(collection(call, mine), candidate.toJSON());
  };
  return { pc, channel: pc.createDataChannel("bench", { negotiated: true, id: 0 }) };
}

function takeCandidates(call: DocumentReference, theirs: string, pc: RTCPeerConnection): void {
  onSnapshot(collection(call, theirs), (snapshot) => {
    for (const change of snapshot.docChanges()) {
      if (change.type === "added") void pc.addIceCandidate(change.doc.data());
    }
  });
}

/** Write an offer and wait for whoever answers. */
export async function wait(project: Project, id: string): Promise<void> {
  const call = doc(await signIn(project), "calls", id);
  const { pc } = connection(call, "offerCandidates");
  const offer = await pc.createOffer();
  await pc.setLocalDescription(offer);
  await setDoc(call, { offer: { sdp: offer.sdp, type: offer.type } });
  onSnapshot(call, (snapshot) => {
    const answer = snapshot.data()?.["answer"] as RTCSessionDescriptionInit | undefined;
    if (pc.currentRemoteDescription || !answer) return;
    // As taught, candidates are taken when they come; before the answer they would be lost.
    void pc.setRemoteDescription(answer).then(() => {
      takeCandidates(call, "answerCandidates", pc);
    });
  });
}

/** Sign in beforehand, for {@link comeWarm}. */
export async function warm(project: Project): Promise<void> {
  await getDoc(doc(await signIn(project), "calls", "warm"));
}

/** Answer; milliseconds from the act to the open channel. */
export async function comeWarm(project: Project, id: string): Promise<number> {
  const began = performance.now();
  const call = doc(await signIn(project), "calls", id);
  const { pc, channel } = connection(call, "answerCandidates");
  const offer = (await getDoc(call)).data()?.["offer"] as RTCSessionDescriptionInit;
  await pc.setRemoteDescription(offer);
  const answer = await pc.createAnswer();
  await pc.setLocalDescription(answer);
  await updateDoc(call, { answer: { type: answer.type, sdp: answer.sdp } });
  takeCandidates(call, "offerCandidates", pc);
  await opened(channel);
  const milliseconds = performance.now() - began;
  pc.close();
  return milliseconds;
}

/** The same from a page that has just been opened. */
export const comeCold = comeWarm;
